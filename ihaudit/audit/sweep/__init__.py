"""The same audit over a grid of a scheme's parameters: does the attack get harder with its security parameter?

`grid` names the points, `point` audits one in a folder of its own, `run` hands them to an engine, `collect` reads what
their folders hold, `table` and `ihaudit.report.sweep` show it.
"""
