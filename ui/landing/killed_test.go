package landing_test

const helperFolder = "LANDFALL_LANDING_HELPER"

func help(string) {}
