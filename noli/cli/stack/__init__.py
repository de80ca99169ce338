"""The local stack: real Kafka, real registry and every worker on this machine, by `noli up`."""
