"""What a person fills in before a training: values, whether they can be started, and the settings that they become."""
