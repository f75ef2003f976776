"""When the next model is due: what there is to learn that the current one has not seen, and what stands against it."""

from twin.retraining.decision import Attempts, Decision, Limits, decide
from twin.retraining.material import Material, Watch, look, remembered

__all__ = ["Attempts", "Decision", "Limits", "Material", "Watch", "decide", "look", "remembered"]
