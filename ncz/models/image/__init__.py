"""Pictures: how far one is from another, and what learned codecs make of them."""
