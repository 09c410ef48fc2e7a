<?php
$token = 'YOUR_API_TOKEN'; // ours; Http is Laravel's, see laravel.php

$response = Http::withToken($token)
    ->attach('image', file_get_contents('photo.jpg'), 'photo.jpg')
    ->post('https://www.upscale-media.ai/api/images/upscale', [
        'scale_factor' => 2,
    ]);
$imageId = $response->json('data.id');

// Poll for completion
do {
    sleep(3);
    $result = Http::withToken($token)
        ->get("https://www.upscale-media.ai/api/images/{$imageId}")
        ->json();
    $status = $result['data']['status'];
    echo "Status: {$status}\n";
} while (!in_array($status, ['completed', 'failed']));

// Get the download URL
$download = Http::withToken($token)
    ->get("https://www.upscale-media.ai/api/images/{$imageId}/download")
    ->json();
echo $download['data']['download_url'];
