"""What a question, a passage and an answer may hold.

Each guard looks at one text and gives findings; the settings say what is done about each: told, taken out, or the text
not used. `Guards` runs those of one direction. Nothing here is downloaded, and nothing is sent anywhere.
"""

from twin.guards.findings import Action, Finding, Verdict
from twin.guards.guards import Guards
from twin.guards.refusals import refusal

__all__ = ["Action", "Finding", "Guards", "Verdict", "refusal"]
