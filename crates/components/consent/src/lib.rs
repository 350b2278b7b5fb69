//! Who may be sent what and when: suppression, ad consent, night window.
