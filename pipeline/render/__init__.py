"""Pictures and videos: what is drawn, how people are hidden, how it is encoded."""
