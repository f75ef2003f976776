"""What readers say of answers: taken at a desk, kept with the interaction, shown in its trace."""

from twin.feedback.desk import Desk, Said

__all__ = ["Desk", "Said"]
