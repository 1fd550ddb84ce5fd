"""What is fitted to what, and how it is judged: the tasks of `ihaudit.nn.fitting` that audits need too."""
