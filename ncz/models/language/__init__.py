"""Language models in exact integers: a text's tokens, and the probability of each."""
