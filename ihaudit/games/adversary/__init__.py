"""The adversary that the direct games share: matched filters, codes, their combination, and its training."""
