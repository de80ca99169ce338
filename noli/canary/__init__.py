"""The canaries: a stop and a consent of nobody's, every second, followed to every application."""
