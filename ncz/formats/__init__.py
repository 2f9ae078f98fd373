"""What a file is: the .ncz container, reading and writing it, and the choice of coders."""
