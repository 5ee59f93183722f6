"""The service's keys as the record knows them."""
