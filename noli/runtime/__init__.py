"""What every process stands on: settings, Kafka, state, metrics, logging, health, clock."""
