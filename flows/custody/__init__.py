"""What keeps the record sound: verify, keys, backup."""
