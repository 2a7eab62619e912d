"""Events to other programs: MQTT, webhooks, Redis or Valkey streams, Kafka. All keep unsent events in a `Spool`."""
