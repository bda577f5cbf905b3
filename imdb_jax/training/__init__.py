"""State, steps and the loop; knows nothing of where text came from."""
