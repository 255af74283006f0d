"""What is wrong with a message, or will be, said before anybody gets it."""
