"""The tune room: a campaign of trials on Ray Tune and Optuna whose only truth is the files in its folder."""
