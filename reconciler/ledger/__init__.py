"""What `ptctl` made or adopted, and the numbers it gave: the only memory that counts."""
