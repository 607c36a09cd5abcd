import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

/** The first byte of a stored secret: how it is encrypted. */
const VERSION = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const SECRET_BYTES = 32;
const PREFIX = 'whsec_';

/** A new secret of a webhook: 256 random bits. */
export function createSecret(): Buffer {
  return randomBytes(SECRET_BYTES);
}

/** As Standard Webhooks writes it for people. */
export function formatSecret(secret: Buffer): string {
  return PREFIX + secret.toString('base64');
}

/**
 * Encrypts the secrets of webhooks under a key that all mappers derive from the secret of the cluster
 * (AES-256-GCM, RFC 5869). So a copy of the users database alone signs nothing.
 */
export class SecretBox {
  readonly #key: Buffer;

  constructor(clusterSecret: string) {
    this.#key = Buffer.from(hkdfSync('sha256', clusterSecret, '', 'keymill secrets of webhooks', 32));
  }

  /** @param webhookId a secret that is copied to another webhook cannot be opened */
  seal(secret: Buffer, webhookId: string): Buffer {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce).setAAD(Buffer.from(webhookId));
    const sealed = Buffer.concat([cipher.update(secret), cipher.final()]);
    return Buffer.concat([Buffer.of(VERSION), nonce, cipher.getAuthTag(), sealed]);
  }

  /** Undefined: it was sealed under another secret of the cluster, or for another webhook. */
  tryOpen(stored: Buffer, webhookId: string): Buffer | undefined {
    if (stored[0] !== VERSION || stored.length <= 1 + NONCE_BYTES + TAG_BYTES) return undefined;
    const nonce = stored.subarray(1, 1 + NONCE_BYTES);
    const tag = stored.subarray(1 + NONCE_BYTES, 1 + NONCE_BYTES + TAG_BYTES);
    const cipher = createDecipheriv('aes-256-gcm', this.#key, nonce, { authTagLength: TAG_BYTES })
      .setAAD(Buffer.from(webhookId))
      .setAuthTag(tag);
    try {
      return Buffer.concat([cipher.update(stored.subarray(1 + NONCE_BYTES + TAG_BYTES)), cipher.final()]);
    } catch {
      return undefined;
    }
  }
}
