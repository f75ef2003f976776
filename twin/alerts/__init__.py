"""Who is told when something happens: templates, an outbox on disk, and mail, chat or webhooks by URL (ALERT_URLS).

    notifier.tell("run_failed", cause="ingest: MongoDB does not answer", job="ingest", ...)
    notifier.flush()

What is told is written down first and sent afterwards, so that nothing is lost while it cannot be delivered.
"""

from twin.alerts.kinds import KINDS, Kind, Template, template
from twin.alerts.notifier import Notifier, Result
from twin.alerts.outbox import Alert, Outbox

__all__ = ["KINDS", "Alert", "Kind", "Notifier", "Outbox", "Result", "Template", "template"]
