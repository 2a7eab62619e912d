"""Where tracks will be: the Kalman filter."""
