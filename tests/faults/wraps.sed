# The functions that inject.c stands in front of, read off it.
s/^[a-z].* __wrap_\([a-z0-9_]*\)(.*;$/\1/p
s/^WRAP([^,]*, \([a-z0-9_]*\), .*/\1/p
s/^WRAP_[A-Z]*(\([a-z0-9_]*\), .*/\1/p
