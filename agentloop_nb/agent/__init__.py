"""What the agent is told and how its loop answers: rules, observations, objections, repetitions."""
