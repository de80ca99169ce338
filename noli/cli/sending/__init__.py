"""What `noli send` is made of: lines of a file, posts, and the file of what was refused."""
