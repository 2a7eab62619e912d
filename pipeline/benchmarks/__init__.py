"""Measuring the tracker against others: the same detections, embeddings, frames and clock for everybody."""
