"""AWS: a session by the usual chain of credentials, names and tags, what instances cost, quotas, the month's budget.

boto3 takes a fifth of a second to import, so it is imported when a session is made.
"""
