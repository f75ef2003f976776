"""Whether questions and answers are still what they were when the served version began.

A window of the latest requests is compared, figure by figure, with the version's reference: its first requests. What is
compared of a question is its vector, in half precision, which outlives the text.
"""

from twin.monitoring.drift.report import Compared, Report, compare
from twin.monitoring.drift.window import FIGURES, Figure, Window

__all__ = ["FIGURES", "Compared", "Figure", "Report", "Window", "compare"]
