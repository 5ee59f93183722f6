"""What is meant by a cause, and what embodies it: deliveries, batches, data, models, who served."""
