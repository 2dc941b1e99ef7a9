"""What is finished and old goes, and nothing else; the numbers of batches are right."""
