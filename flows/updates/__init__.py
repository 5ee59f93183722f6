"""An update: train a challenger, compare it, record it, promote it."""
