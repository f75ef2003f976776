"""One finder for each sort of secret and personal datum; `twin.cleaning.personal_data` asks them all."""
