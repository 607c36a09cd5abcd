import type { Webhook } from '../../db/accounts/webhooks.ts';
import { parseTargetUrl, type TargetRules } from '../shorten/target-url.ts';
import { sign, type Message } from './message.ts';
import type { SecretBox } from './secrets.ts';
import type { Attempt, Sender } from './sender.ts';

export interface PostOptions {
  readonly sender: Sender;
  readonly box: SecretBox;
  /** Where messages may be sent. */
  readonly targets: TargetRules;
}

/** Sends one message to a webhook, if the rules of today allow its URL. Never rejects. */
export async function post(
  webhook: Webhook,
  message: Message,
  { sender, box, targets }: PostOptions,
  signal: AbortSignal,
): Promise<Attempt> {
  const nowMs = Date.now();
  const url = parseTargetUrl(webhook.url, targets);
  if (!url.ok) return { status: null, reason: `its URL ${url.reason}`, tookMs: 0 };
  const secret = box.tryOpen(webhook.secret, webhook.id);
  if (secret === undefined)
    return { status: null, reason: 'its secret cannot be read: make a new one', tookMs: 0 };
  // The new secret is often made because those before it cannot be read.
  const previous = webhook.previousSecrets
    .filter(({ until }) => until.getTime() > nowMs)
    .map((one) => box.tryOpen(one.secret, webhook.id))
    .filter((opened) => opened !== undefined);
  return sender.send(url.href, sign(message, [secret, ...previous], nowMs), signal);
}
