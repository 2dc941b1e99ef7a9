"""What tests are made with: writers, workers, a subscriber, faults, and judges of the outcome."""
