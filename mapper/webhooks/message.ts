import { createHmac } from 'node:crypto';

/** What is sent to a webhook. */
export interface Message {
  /** The same at every attempt, and for every webhook of the owner: receivers drop what they have had. */
  readonly id: string;
  readonly event: string;
  /** When it happened. */
  readonly at: Date;
  /** JSON. */
  readonly data: string;
}

/** A request to a webhook. */
export interface SignedMessage {
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Signs a message as Standard Webhooks says (https://www.standardwebhooks.com), once with each secret.
 * @param nowMs of this attempt: receivers refuse what was signed long ago
 */
export function sign(
  { id, event, at, data }: Message,
  secrets: readonly Buffer[],
  nowMs: number,
): SignedMessage {
  const body = `{"type":${JSON.stringify(event)},"timestamp":"${at.toISOString()}","data":${data}}`;
  const name = `msg_${id}`;
  const timestamp = String(Math.floor(nowMs / 1_000));
  const signatures = secrets.map(
    (secret) => `v1,${createHmac('sha256', secret).update(`${name}.${timestamp}.${body}`).digest('base64')}`,
  );
  return {
    body,
    headers: {
      'content-type': 'application/json',
      'user-agent': 'Keymill-Webhooks/1',
      'webhook-id': name,
      'webhook-timestamp': timestamp,
      'webhook-signature': signatures.join(' '),
    },
  };
}
