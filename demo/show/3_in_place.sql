-- All of them, in place: label alone, no reasons.
UPDATE ticket SET (label, confidence, reason) = (
  SELECT * FROM qwen_classify(body,
    ARRAY['age_limit', 'card_arrival', 'change_pin', 'country_support', 'exchange_rate',
          'lost_or_stolen_card', 'request_refund', 'terminate_account', 'top_up_failed', 'transfer_timing'],
    instructions => 'Questions of bank customers.',
    with_reason => false));
