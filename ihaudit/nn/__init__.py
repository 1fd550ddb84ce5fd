"""Small networks, their training (`ihaudit train`), and shipped weights with their cards (`ihaudit.nn.weights`)."""
