"""Routes of what is learned: agents, their recommendations, trainings asked for."""
