"""The contracts: Avro records, the topic catalogue, the codec. Imports nothing of ours."""
