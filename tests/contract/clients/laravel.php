<?php
// What a Laravel application has set up before a program of its own runs. From Debian: php-guzzlehttp-guzzle,
// php-illuminate-container, php-illuminate-http, php-curl.
require 'GuzzleHttp/autoload.php';
require 'Illuminate/Container/autoload.php';
require 'Illuminate/Http/autoload.php';

Illuminate\Support\Facades\Facade::setFacadeApplication(new Illuminate\Container\Container());
class_alias(Illuminate\Support\Facades\Http::class, 'Http');
