"""Who gets what of a trip's money. Plain functions over plain facts."""
