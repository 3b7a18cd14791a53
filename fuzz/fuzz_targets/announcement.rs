#![no_main]

zennet_fuzz::target!(zennet_fuzz::announcement::run, zennet_fuzz::announcement::seeds);
