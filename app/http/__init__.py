"""What the three apps share: errors as HTTP (`problems`), headers (`security`), clients that leave (`connection`)."""
