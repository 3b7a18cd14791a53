#![no_main]

zennet_fuzz::target!(zennet_fuzz::lease::stored::run, zennet_fuzz::lease::stored::seeds);
