<?php
// Sets up what a Laravel application provides to its programs. Packages of Debian: php-guzzlehttp-guzzle,
// php-illuminate-container, php-illuminate-http, php-curl.
require 'GuzzleHttp/autoload.php';
require 'Illuminate/Container/autoload.php';
require 'Illuminate/Http/autoload.php';

Illuminate\Support\Facades\Facade::setFacadeApplication(new Illuminate\Container\Container());
class_alias(Illuminate\Support\Facades\Http::class, 'Http');
