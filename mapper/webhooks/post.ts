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
  const secrets = secretsOf(webhook, nowMs).map((secret) => box.tryOpen(secret, webhook.id));
  const known = secrets.filter((secret) => secret !== undefined);
  if (known.length < secrets.length)
    return { status: null, reason: 'its secret cannot be read: make a new one', tookMs: 0 };
  return sender.send(url.href, sign(message, known, nowMs), signal);
}

/** The secrets that sign now: the new one first. */
function secretsOf({ secret, previousSecret, previousUntil }: Webhook, nowMs: number): Buffer[] {
  const isRotating = previousSecret !== null && previousUntil !== null && previousUntil.getTime() > nowMs;
  return isRotating ? [secret, previousSecret] : [secret];
}
