#![no_main]

zennet_fuzz::target!(zennet_fuzz::lease::reunion::run, zennet_fuzz::lease::reunion::seeds);
