/**
 * Programs that fetch a link to show what is behind it, as soon as somebody writes it into a message: by the
 * names that they send. Browsers inside the apps of the same makers are people, and have other names.
 */
const PREVIEW_BOT = new RegExp(
  [
    'facebookexternalhit|facebookcatalog|facebot|meta-externalagent|meta-externalfetcher|whatsapp/',
    'twitterbot|slackbot|slack-imgproxy|linkedinbot|telegrambot|discordbot|redditbot|pinterestbot|vkshare',
    String.raw`pinterest/0\.|skypeuripreview|microsoftpreview|bingpreview|google-pagerenderer|applebot`,
    'kakaotalk-scrap|line-poker|snap url preview|viber url preview|zoombot|mailruconnect|flipboardproxy',
    'embedly|iframely|quora link preview|bitlybot|bitrix link preview|opengraph|w3c_validator',
    String.raw`mastodon/|pleroma |akkoma |misskey/|friendica |lemmy/|bluesky cardyb|synapse \(bot|matrix-media-repo`,
    String.raw`mattermost-bot|rocket\.chat|zulip|nextcloud server crawler`,
  ].join('|'),
  'i',
);

/** Whether a `User-Agent` is that of a program that makes previews of links. */
export function isPreviewBot(userAgent: string | undefined): boolean {
  return userAgent !== undefined && PREVIEW_BOT.test(userAgent);
}
